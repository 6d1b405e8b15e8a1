"""The embedded CRM, and the interface behind which other CRMs stand."""
