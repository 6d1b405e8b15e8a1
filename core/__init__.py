"""The ground: database, call journal, events and MQTT, phone numbers, clock."""
