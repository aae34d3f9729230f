"""What touches the world: each do beside its undo. The tables stay right if one runs twice, late, or after its undo."""
