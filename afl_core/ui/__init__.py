"""What pages share: loaders, selectors, viewer, error panel. Only here, in `app.py` and `pages/` is Streamlit met."""
