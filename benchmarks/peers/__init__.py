"""What a practitioner would write without evalcli: one small script a peer, each printing its scores as JSON."""
