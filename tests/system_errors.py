"""What the system says of files, and what evalcli says to do about it."""

NO_ROOM = "no space left on device; make room there, or write to another disk"
LARGE = "file too large; write to a disk that takes larger files, or raise ulimit -f"
FAILING = "Input/output error; see whether the disk is well, and copy the file to another"
