"""Skins of the skeleton: `capsules` (what physics sees), `anny` (open licence), `smplx` (with the user's files)."""
