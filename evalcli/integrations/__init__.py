"""evalcli inside other libraries: torchmetrics, Lightning, Hugging Face. Each module imports its library by itself."""
