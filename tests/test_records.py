"""Identity: ids are hashes of content, seeds belong to one sample, rows survive their JSON form."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from omi_core.records import Record, Sample, digest128, sample_seed


def test_an_id_is_the_content_and_not_the_position() -> None:
    a, b = Record.make(0, "1+1?", "2", "x"), Record.make(9, "1+1?", "2", "x")
    assert a.id == b.id
    assert len(a.id) == 32


@given(st.text(), st.text(), st.one_of(st.none(), st.text()), st.one_of(st.none(), st.text()))
def test_records_share_an_id_only_with_the_same_content(
    text: str, other: str, answer: str | None, other_answer: str | None
) -> None:
    a, b = Record.make(0, text, answer, "s"), Record.make(0, other, other_answer, "s")
    assert (a.id == b.id) == ((text, answer) == (other, other_answer))


def test_parts_of_a_digest_do_not_run_together() -> None:
    assert digest128("ab", "c") != digest128("a", "bc")


def test_seeds_differ_by_run_record_and_sample_and_fit_a_signed_64_bit_number() -> None:
    ids = [Record.make(0, str(n), None, "s").id for n in range(50)]
    seeds = [sample_seed(run, record, index) for run in (0, 1) for record in ids for index in range(20)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_rows_come_back_from_their_json_form() -> None:
    record = Record.make(3, "a \\frac{1}{2}", None, "s")
    sample = Sample(3, record.id, 1, "text", "error", 5, 0, 0.25, "PromptTooLong: 9 tokens")
    assert Record.from_json(record.to_json()) == record
    assert Sample.from_json(sample.to_json()) == sample
