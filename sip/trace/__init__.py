"""The SIP trace: every message of the last days' calls, bounded in size, without secrets, and shown as a ladder."""
