"""The media plane: the native RTP engine behind a small Python face, prompts and speech."""
