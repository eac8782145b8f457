"""Figures: tables and arrays in, figures out; no Streamlit here."""
