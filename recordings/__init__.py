"""What becomes of a recorded call: sealing, storage, waveforms, transcripts."""
