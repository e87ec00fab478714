"""The output of commands: text for people, JSON for programs, and nothing that a terminal would execute."""
