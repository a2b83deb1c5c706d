"""The Prefect flows that `prefect.yaml` names: the comparison, and each study."""

from flows import study
from flows.main import dag
from flows.orchestration.flow import as_flow
from tasks.settings.settings import Settings
from tasks.settings.studies import FoldStudy, SearchStudy, SeedStudy

fashion_mnist = as_flow(dag, Settings)
seed_study = as_flow(study.comparison, SeedStudy)
fold_study = as_flow(study.comparison, FoldStudy)
search_study = as_flow(study.search, SearchStudy)
