"""The parts of GridToPersistentTT: a lowered function taken apart, and the programs made of it."""
