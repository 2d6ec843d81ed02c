import pytest

from totalseg_mcp.engine.errors import BadRequestError
from totalseg_mcp.engine.tasks import MODELS, TASKS, labels, task_named


# Counts published with TotalSegmentator 2.18.0.
@pytest.mark.parametrize(("task", "count"), [("total", 117), ("total_mr", 50), ("body", 2)])
def test_a_task_has_as_many_structures_as_published(task, count):
    assert len(TASKS[task].names) == count


def test_label_numbers_are_those_of_totalsegmentator():
    names = labels("total")
    expected = {1: "spleen", 5: "liver", 51: "heart", 90: "brain", 117: "costal_cartilages"}
    assert {number: names[number - 1] for number in expected} == expected


@pytest.mark.parametrize("name", list(TASKS))
def test_an_entry_is_whole(name):
    task = TASKS[name]
    assert len(set(task.names)) == len(task.names) > 0
    assert "default" in task.models
    for number in {n for numbers in task.models.values() for n in numbers}:
        model = MODELS[number]
        assert model.folder.startswith(f"Dataset{number:03d}_")
        assert set(model.names) & set(task.names)


def test_models_without_an_open_release_belong_to_licensed_tasks():
    closed = {number for number, model in MODELS.items() if model.release is None}
    licensed = {
        number
        for task in TASKS.values()
        if task.licence == "commercial"
        for numbers in task.models.values()
        for number in numbers
    }
    assert closed <= licensed


def test_auxiliary_structures_are_the_models_but_not_the_tasks():
    assert MODELS[789].names == (*labels("kidney_cysts"), "kidney_left", "kidney_right")


def test_an_unknown_task_is_refused_with_the_nearest():
    with pytest.raises(BadRequestError, match="lung_vessels"):
        task_named("lung_vesels")
