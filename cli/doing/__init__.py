"""What commands do, once they are run: one file beside each that does more than hand its words on."""
