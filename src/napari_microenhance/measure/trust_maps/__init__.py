"""Maps of where a result should be trusted less."""
