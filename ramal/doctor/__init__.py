"""`ramal doctor`: what is wrong, which side hears nothing and why, and what to do about it. One file a subject."""
