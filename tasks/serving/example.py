"""The program that an export brings along: it needs neither this project nor its libraries, and shows how to ask."""

from tasks.pipeline.user_module import UserFunction

PROGRAM = """\
# Say what pictures show: python example.py picture.png ...  (pip install {needs} pillow)
import json, pathlib, sys

import {library}, numpy
from PIL import Image, ImageOps

here = pathlib.Path(__file__).resolve().parent
classes = json.loads((here / "labels.json").read_text(encoding="utf-8"))
{load}
for name in sys.argv[1:] or sys.exit("usage: python example.py picture.png ..."):
    gray = Image.open(name).convert("L")
    gray = ImageOps.invert(gray) if gray.getpixel((0, 0)) > 127 else gray  # light on black
    box = gray.point(lambda level: 255 * (level > 12)).getbbox() if gray.size != (28, 28) else None
    gray = ImageOps.pad(gray.crop(box), (28, 28))  # trimmed to the object, centered
    probabilities = {ask}[0]
    print(f"{{name}}: {{classes[probabilities.argmax()]}}, {{probabilities.max():.1%}}")
"""
WITH_KERAS = {
    "needs": "keras tensorflow",
    "library": "keras",
    "load": 'model = keras.saving.load_model(here / "model.keras")',
    "ask": "model.predict(numpy.array(gray)[None], verbose=0)",
}
WITH_XGBOOST = {
    "needs": "xgboost",
    "library": "xgboost",
    "load": 'model = xgboost.Booster(model_file=here / "model.ubj")',
    "ask": "model.inplace_predict(numpy.array(gray).reshape(1, -1) / numpy.float32(255))",
}
OWN_LAYERS = f"""\
sys.path.insert(0, str(here))
sys.dont_write_bytecode = True
import {UserFunction.module}  # registers the layers of the model
"""
POLICY = 'keras.config.set_dtype_policy("mixed_bfloat16")  # of what its layers are made of\n'


def example_with_keras(own: UserFunction | None, precision: str) -> str:
    """Return the program for a Keras model; `own` is the file that registers its layers, if it needs that."""
    before = OWN_LAYERS + (POLICY if precision == "bfloat16" else "") if own else ""
    return PROGRAM.format(**WITH_KERAS | {"load": before + WITH_KERAS["load"]})


def example_with_xgboost() -> str:
    """Return the program for boosted trees."""
    return PROGRAM.format(**WITH_XGBOOST)
