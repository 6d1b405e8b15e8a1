"""Call detail records: what became of every call, made from the journal."""
