"""An epidemic, one event after the other.

Gillespie, D. T. (1977). Exact stochastic simulation of coupled chemical reactions. The Journal of
Physical Chemistry, 81(25), 2340-2361.
"""


def sir(r0, population, rng):
    """Simulate how one infected person meets a susceptible population.

    Parameters
    ----------
    r0 : float
        How many people one infected person infects at the outset.
    population : int
        Number of people.
    rng : numpy.random.Generator
        Where chance comes from.

    Returns
    -------
    dict
        *final_size*, the number of people who were ever infected; *peak*, the largest number who
        were infected at once; *duration*, in mean infectious periods; *events*, the number of
        infections and recoveries.
    """
    susceptible, infected = population - 1, 1
    peak, time, events = 1, 0.0, 0
    chance = _draws(rng)
    while infected:
        infection = r0 * susceptible / population  # rate per infected person; recovery has rate 1
        waiting, which = next(chance)
        time += waiting / (infected * (infection + 1.0))
        if which * (infection + 1.0) < infection:
            susceptible -= 1
            infected += 1
            peak = max(peak, infected)
        else:
            infected -= 1
        events += 1
    return {
        "final_size": population - susceptible,
        "peak": peak,
        "duration": time,
        "events": events,
    }


def _draws(rng):
    """Yield pairs of an exponential and a uniform number; drawing many at a time is faster."""
    size = 16
    while True:
        yield from zip(rng.exponential(size=size).tolist(), rng.random(size).tolist(), strict=True)
        size = min(2 * size, 4096)
