"""One command by many processes, started by ``torchrun`` or ``srun``: their shares, how they talk, and the whole."""
