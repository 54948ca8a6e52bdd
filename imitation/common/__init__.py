"""What every room uses: settings, texts, storage, safe loading."""
