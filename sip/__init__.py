"""SIP itself: messages, transactions, dialogs, sessions, registrar, authentication, SDP, transports."""
