"""What pages share: loaders, selectors, viewer, error panel. The only Streamlit importer besides `app.py` and `pages/`."""
