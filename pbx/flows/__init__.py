"""What a call does: one file a behaviour, written with the verbs of `pbx.call`."""
