"""Export a trained model: a folder that whoever gets it can use without this project.

python flows/export.py                    # export/dropout-<key>/: the champion, else the newest comparison's winner
python flows/export.py --format onnx      # with the model in another format beside it
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # in flows/, nothing is found by its bare name
    from flows.environment import prepare_python

    prepare_python()
