"""Call detail records, made from the journal."""
