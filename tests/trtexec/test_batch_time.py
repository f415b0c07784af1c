import pytest

from dsbench.trtexec.batch_time import AFFINE, CONSTANT, POWER_LAW, BatchTimeError, fit_batch_times

BATCHES = (1, 4, 8, 64)


def power_law(batch):
    return 2.5 * batch**0.8


def affine(batch):
    return 3 + 0.5 * batch


@pytest.mark.parametrize(
    ("time_ms", "kind", "parameters"),
    [(power_law, POWER_LAW, (0, 2.5, 0.8)), (affine, AFFINE, (3, 0.5, 1))],
)
def test_the_model_that_the_times_come_from_is_first_with_its_own_parameters(time_ms, kind, parameters):
    best, other = fit_batch_times({batch: time_ms(batch) for batch in BATCHES})
    assert best.kind == kind
    assert (best.fixed_ms, best.scaled_ms, best.exponent) == pytest.approx(parameters)
    assert best.residuals_pct == pytest.approx([0] * len(BATCHES), abs=1e-9)
    assert max(map(abs, other.residuals_pct)) > 5


def test_residual_is_how_far_the_fitted_rate_lies_above_the_measured_one():
    times_ms = {batch: affine(batch) for batch in BATCHES} | {4: 1.25 * affine(4)}
    for fit in fit_batch_times(times_ms):
        for batch, residual_pct in zip(BATCHES, fit.residuals_pct, strict=True):
            measured, fitted = 1000 / times_ms[batch], 1000 / fit.ms(batch)
            assert fitted == pytest.approx(measured * (1 + residual_pct / 100))


def test_a_disturbed_probe_of_a_small_batch_counts_as_much_as_one_of_a_large_batch():
    for batch in BATCHES:
        fit = next(
            each
            for each in fit_batch_times({b: affine(b) * (1.2 if b == batch else 1) for b in BATCHES})
            if each.kind == AFFINE
        )
        assert max(map(abs, fit.residuals_pct)) < 20


def test_two_batches_fit_both_models_and_the_power_law_is_taken():
    kinds = [fit.kind for fit in fit_batch_times({1: 10.0, 2: 15.0})]
    assert kinds == [POWER_LAW, AFFINE]


def test_largest_batch_is_the_last_that_takes_no_longer():
    fit = fit_batch_times({batch: affine(batch) for batch in BATCHES})[0]
    assert fit.largest_batch(affine(20) + 1e-9, most=64) == 20
    assert fit.largest_batch(affine(20) - 0.01, most=64) == 19
    assert fit.largest_batch(affine(20), most=7) == 7
    assert fit.largest_batch(affine(1) - 0.01, most=64) == 0


@pytest.mark.parametrize(
    ("times_ms", "kind"), [({1: 10.0, 4: 11.0, 8: 10.0}, POWER_LAW), ({1: 10.0, 4: 6.0, 8: 10.0}, AFFINE)]
)
def test_a_model_that_does_not_rise_with_the_batch_is_left_out(times_ms, kind):
    assert [fit.kind for fit in fit_batch_times(times_ms)] == [kind]


@pytest.mark.parametrize(
    ("times_ms", "ms"),
    [
        ({1: 10.0}, 10),
        ({1: 10.0, 2: 10.0}, 10),
        ({1: 10.0, 4: 10.5, 8: 9.9}, 10.12),
        ({1: 10.0, 2: 9.2}, 9.57),
    ],
)
def test_times_that_do_not_rise_are_constant_with_the_residual_of_each(times_ms, ms):
    (fit,) = fit_batch_times(times_ms)
    assert (fit.kind, fit.scaled_ms) == (CONSTANT, 0)
    assert [fit.ms(batch) for batch in (1, 8)] == pytest.approx([ms, ms], abs=0.01)
    assert fit.residuals_pct == pytest.approx([100 * (each / fit.ms(1) - 1) for each in times_ms.values()])


def test_times_that_rise_a_little_are_not_constant():
    assert CONSTANT not in [fit.kind for fit in fit_batch_times({1: 10.0, 2: 10.2})]


def test_times_that_neither_rise_nor_are_the_same_are_refused():
    with pytest.raises(
        BatchTimeError, match=r"batch 1 in 10\.00 ms, batch 4 in 8\.00 ms.*all to take the same"
    ):
        fit_batch_times({1: 10.0, 4: 8.0, 8: 6.0})
