"""Rate decks, rating and charges."""
