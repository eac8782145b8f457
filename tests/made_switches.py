"""The switches of A-FL, of which tests take every combination."""

from hypothesis import strategies as st

ALPHAS = ("balanced", "scalar", "released", "none")
SMOOTHNESS = ("released", "surface", "scale_free", "none")

SWITCHES = st.fixed_dictionaries(
    {
        "alpha": st.sampled_from(ALPHAS),
        "gamma_volume": st.booleans(),
        "gamma_smoothness": st.sampled_from(SMOOTHNESS),
        "gamma_scale": st.sampled_from([1.0, 0.5, -3.0]),
        "gamma_volume_scale": st.sampled_from([1.0, -7.0]),
        "gamma_offset": st.sampled_from([0.0, 2.0]),
        "normalise": st.booleans(),
    }
)
