"""Which test shows that a known trap is caught, by `check` (tests/preflight) or by the stage that would fall into it.

Every test named here must be there, so that none is removed without a word.
"""

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
ROWS, MODEL = "preflight/test_preflight_rows.py", "preflight/test_preflight_model.py"
ESTIMATES = "preflight/test_preflight_estimates.py"
TRAINING, FITTING = "engine/test_training.py", "engine/test_fitting.py"

# Of preference training in general, as its trainers have them.
TRAININGS = {
    "the reference silently becomes the base model": [
        f"{ROWS}::test_a_branch_that_was_trained_from_another_start_is_a_failure",
        f"{MODEL}::test_planted_faults_of_a_loss_and_of_a_reference_stop_the_first_step",
        f"{TRAINING}::test_a_reference_that_is_the_base_model_is_refused",
        "methods/test_all_methods.py::test_its_first_step_has_its_identity",
    ],
    "the reward model reads another text when it is trained than when it scores": [
        "test_reward.py::test_the_text_trained_on_is_the_text_scored",
        "engine/test_scoring.py::test_eos_is_part_of_what_a_reward_model_sees",
    ],
    "long documents vanish unequally": [
        f"{MODEL}::test_rows_too_long_for_the_model_and_summaries_too_long_to_be_said_are_counted",
        f"{ROWS}::test_trainings_must_have_had_all_rows_of_their_file",
        "test_sft.py::test_a_row_that_does_not_fit_the_model_is_refused_before_any_training",
        "test_sft.py::test_no_row_is_dropped_and_none_is_cut",
    ],
    "dropout moves the policy from its reference": [
        f"{TRAINING}::test_dropout_is_off_so_that_policy_and_reference_differ_by_training_alone",
        f"{FITTING}::test_a_models_own_attention_dropout_is_off",
    ],
    "NEFTune's noise outside of SFT": [
        "engine/test_stock_pairs.py::test_dropout_and_neftune_are_off",
        "test_sft.py::test_the_validation_loss_is_of_the_saved_model_without_noise",
    ],
    "one name for several metrics": [
        "test_evaluate.py::test_all_models_are_held_against_the_same_reference_prompts_and_reward",
        "engine/test_exact_kl.py::test_both_estimators_have_the_exact_kl_as_their_expectation",
    ],
    "LoRA on lm_head, and a reward head that is not trained": [
        f"{MODEL}::test_an_adapters_layers_are_there_and_merged_it_is_the_same_function",
        f"{TRAINING}::test_a_layer_that_cannot_be_adapted_is_refused_with_those_that_can",
        f"{TRAINING}::test_a_reward_models_new_head_is_trained_whole",
    ],
    "pad is EOS": [
        f"{MODEL}::test_a_stage_refuses_a_tokenizer_that_pads_with_eos",
        "engine/test_models.py::test_padding_gets_a_token_of_its_own_once",
        "test_reward.py::test_an_own_reward_model_that_pads_with_eos_is_refused",
    ],
    "sampled from another distribution than the one that is trained": [
        "engine/test_sampling.py::test_rows_drawn_and_dropped_have_the_tokens_and_log_probabilities_of_naive_rows",
    ],
}
# Of what users of such tools have complained about.
COMPLAINTS = {
    "a checkpoint that was written half": [
        "engine/test_models.py::test_a_save_that_is_killed_leaves_no_half_directory_and_can_be_repeated",
        "engine/test_checkpoints.py::test_one_that_is_not_whole_is_removed_with_a_line_and_the_one_before_is_used",
    ],
    "a training that resumes elsewhere": [
        f"{FITTING}::test_a_training_that_resumes_ends_in_the_same_bits",
        "engine/test_memory.py::test_a_training_that_resumes_ends_with_the_same_weights_and_memory",
    ],
    "KL that is negative": ["test_compare.py::test_a_negative_kl_is_a_warning"],
    "advantages that are not the equation's": [
        "methods/test_rloo.py::test_an_advantage_is_the_reward_less_the_mean_of_the_others",
    ],
    "accumulation changes the objective": [
        f"{FITTING}::test_packs_and_accumulation_change_no_gradient_of_pairs",
        f"{FITTING}::test_packs_change_no_gradient_of_rollouts",
    ],
    "a reward model of another tokenizer": [
        "test_reward.py::test_an_own_reward_model_of_another_tokenizer_is_refused",
    ],
    "EOS is never learned": [
        f"{MODEL}::test_a_stage_refuses_rows_that_teach_no_end",
        f"{MODEL}::test_a_chat_template_must_keep_the_document_the_prompt_and_the_end",
        f"{ROWS}::test_summaries_that_were_cut_off_are_counted_by_stage",
        "engine/test_text.py::test_a_completion_ends_with_one_eos_and_brings_no_bos",
    ],
    "a chat template that breaks the pair, or a second BOS": [
        f"{MODEL}::test_a_chat_template_must_keep_the_document_the_prompt_and_the_end",
        f"{MODEL}::test_a_tokenizer_that_closes_the_prompt_with_a_second_bos_is_a_failure",
        "engine/test_text.py::test_a_template_that_writes_a_second_bos_is_refused",
    ],
    "silent truncation": [
        f"{MODEL}::test_rows_too_long_for_the_model_and_summaries_too_long_to_be_said_are_counted",
        "test_pairs.py::test_an_own_pair_that_does_not_fit_the_model_is_refused_with_its_place",
        "test_unpaired.py::test_a_row_that_does_not_fit_is_refused_with_its_place",
    ],
    "a loss that is not the loss": [
        "methods/test_all_methods.py::test_its_first_step_has_its_identity",
        "engine/test_parity_with_trl.py::test_a_pairs_loss_is_trls",
    ],
    "length is what is preferred": [
        f"{ROWS}::test_pairs_that_prefer_the_longer_are_warned_of_with_their_share",
        f"{ROWS}::test_a_reward_model_that_knows_no_more_than_length_is_warned_of",
    ],
    "both log-probabilities fall": [
        "test_align.py::test_dpo_tells_of_a_chosen_side_that_lost_likelihood",
    ],
    "over-optimisation unseen": ["test_compare.py::test_reward_up_and_gold_down_is_a_warning"],
    "NEFTune that is not active, or of the padded length": [
        "test_sft.py::test_a_rows_noise_knows_its_own_length_and_no_padding",
        "test_sft.py::test_alpha_0_is_no_neftune_bit_by_bit",
    ],
    "ROUGE that deletes Hangul": [
        "measures/test_rouge.py::test_identical_korean_is_one_where_the_default_says_zero",
    ],
    "memory and time are unknown before the start": [
        f"{ESTIMATES}::test_memory_is_held_against_the_machines",
        f"{ESTIMATES}::test_disk_counts_what_the_cache_copies",
        f"{ESTIMATES}::test_after_a_run_the_estimates_error_is_told_of_what_ran_since",
    ],
    "a typing error in the settings": [
        f"{MODEL}::test_a_typing_error_is_told_with_the_nearest_name_and_the_exit_code_2",
        "test_parameters.py::test_an_unknown_name_is_told_with_the_nearest",
    ],
    "a stale cache of the reference": [
        "engine/test_references.py::test_numbers_of_another_making_are_unusable",
        f"{ROWS}::test_what_is_due_is_not_taken_for_what_is_there",
    ],
    "pairs that are tied, equal, empty, doubled or turned": [
        f"{ROWS}::test_a_pair_that_teaches_nothing_or_leaks_into_a_fold_is_a_failure",
        f"{ROWS}::test_a_pair_twice_and_a_pair_both_ways_round_are_warned_of",
        "test_pairs.py::test_every_document_and_sample_that_is_left_out_is_counted",
    ],
    "tests leak into trainings": [
        f"{ROWS}::test_a_document_in_two_splits_is_a_leak_whatever_its_white_space",
        f"{ROWS}::test_a_prompt_that_holds_a_test_document_is_a_failure",
        "test_pairs.py::test_an_own_pair_whose_prompt_holds_a_test_document_is_refused_with_its_place",
        "test_unpaired.py::test_a_row_whose_prompt_holds_a_test_document_is_refused_with_its_place",
    ],
    "a judge that costs more than was thought": [
        f"{ROWS}::test_what_a_judge_may_cost_is_counted_before_it_is_asked",
    ],
}


@cache
def names(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("trap", [*TRAININGS, *COMPLAINTS])
def test_a_trap_is_caught_by_tests_that_are_there(trap):
    caught = (TRAININGS | COMPLAINTS)[trap]
    assert caught
    for one in caught:
        file, _, name = one.partition("::")
        assert name in names(TESTS / file), one


def test_the_nine_traps_of_every_trainer_are_all_here():
    assert len(TRAININGS) == 9
