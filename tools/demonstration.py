"""What a result says that was made with demonstration weights."""

DEMONSTRATION = (
    "These results come from demonstration weights, trained on synthetic phantoms only: they "
    "show how the tool works and say nothing about a patient."
)
