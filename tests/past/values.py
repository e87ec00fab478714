"""Faults of values, fields, defaults, classes and errors: what came back was not what went in."""

from __future__ import annotations

from tests.past.fault import Fault

FAULTS = (
    Fault(
        "mixed-enums-came-back-plain",
        "Members of StrEnum, IntEnum and mixed enums came back as plain text and numbers.",
        "tests/engine/test_values.py::test_members_arrive_as_members_everywhere_also_in_the_next_process",
    ),
    Fault(
        "wrong-enum-values-were-taken",
        "A value that is no member of a mixed enum was taken as an argument.",
        "tests/engine/test_values.py::test_an_argument_that_is_no_member_is_refused_before_anything_runs",
    ),
    Fault(
        "dict-keys-were-refused-after-the-body",
        "A dictionary with numbers as keys was refused after the body of its step had run.",
        "tests/engine/test_values.py::test_a_dictionary_with_numbers_as_keys_comes_back_from_a_step",
    ),
    Fault(
        "dict-keys-were-merged",
        'A dictionary without a type merged the keys 1 and "1".',
        "tests/values/test_containers.py::test_what_json_would_bend_is_refused_where_no_type_is_given",
    ),
    Fault(
        "tuples-were-cut",
        "A tuple that did not fit its type was cut when it came back.",
        "tests/values/test_containers.py::test_a_container_that_would_come_back_otherwise_is_refused",
    ),
    Fault(
        "impossible-types-were-taken",
        "Types whose values can never be kept, such as deque, were taken and refused every value.",
        "tests/values/test_containers.py::test_a_container_of_which_nothing_could_be_kept_is_refused",
    ),
    Fault(
        "subclass-fields-were-dropped",
        "An instance of a subclass lost the fields of the subclass.",
        "tests/values/test_classes.py::test_a_class_that_would_come_back_otherwise_is_refused",
    ),
    Fault(
        "scalar-subclasses-were-bent",
        "Subclasses of int, str and float came back as the plain type.",
        "tests/values/test_scalars.py::test_a_subclass_with_attributes_of_its_own_is_refused_by_their_name",
    ),
    Fault(
        "unions-took-the-text",
        "A union took a text for another of its types, so that a value came back as something else.",
        "tests/values/test_unions.py::test_a_value_that_would_come_back_as_another_member_is_refused",
    ),
    Fault(
        "ambiguous-unions-were-taken",
        "A union of types that JSON cannot tell apart was taken at the definition.",
        "tests/values/test_unions.py::test_members_that_json_never_tells_apart_are_refused",
    ),
    Fault(
        "equal-map-keys-were-two-items",
        "Two equal keys of a Map that were written apart were two items.",
        "tests/values/test_map_keys.py::test_of_two_equal_keys_one_is_refused",
    ),
    Fault(
        "values-came-back-different",
        "Values came back different from what went in, without an error.",
        "tests/values/test_round_trip.py::test_a_value_of_any_type_comes_back_equal_or_is_refused",
    ),
    Fault(
        "result-type-failed-after-the-body",
        "A step whose result type cannot be kept ran its body and failed afterwards.",
        "tests/engine/test_values.py::test_a_type_that_cannot_be_kept_fails_the_handler_before_the_body_runs",
    ),
    Fault(
        "bent-results-without-a-type",
        "A result without a type came back as JSON bends it.",
        "tests/engine/test_values.py::test_a_result_without_a_type_that_json_would_bend_fails_for_good",
    ),
    Fault(
        "text-became-a-uuid",
        "A text came back as a UUID.",
        "tests/engine/test_values.py::test_a_text_that_would_come_back_as_a_uuid_is_refused",
    ),
    Fault(
        "models-were-no-values",
        "A pydantic model was refused as a value, or came back changed.",
        "tests/values/test_models.py::test_a_model_comes_back_equal",
    ),
    Fault(
        "signals-without-a-type-were-bent",
        "A tuple or a set in a signal arrived as a list where the reader named no type.",
        "tests/engine/test_values.py::test_a_signal_of_a_type_that_nobody_names_is_refused",
    ),
    Fault(
        "output-was-bent",
        "A tuple or a set that a step emitted arrived as a list.",
        "tests/engine/test_values.py::test_output_takes_what_json_itself_has_and_refuses_the_rest",
    ),
    Fault(
        "edits-were-bent",
        "An edit of a field without a type kept what JSON made of the value.",
        "tests/engine/test_values.py::test_an_edit_refuses_what_a_field_without_a_type_would_bend",
    ),
    Fault(
        "restart-input-was-bent",
        "The input of a restart arrived as JSON bends it.",
        "tests/engine/test_values.py::test_a_restart_refuses_input_that_json_would_bend",
    ),
    Fault(
        "restart-input-refused-tuples",
        "A restart refused a tuple as input although its parameter is annotated as one.",
        "tests/engine/test_values.py::test_a_restart_takes_input_of_the_types_of_the_handler",
    ),
    Fault(
        "zone-was-lost",
        "An aware date lost its zone, or its side of a change of clocks.",
        "tests/values/test_scalars.py::test_a_date_in_a_zone_keeps_its_zone_and_its_side_of_a_change_of_clocks",
    ),
    Fault(
        "text-was-taken-for-a-list",
        "A text was taken for a list of its letters.",
        "tests/values/test_from_outside.py::test_a_container_is_not_made_of_whatever_can_be_walked_over",
    ),
    Fault(
        "default-was-shared-by-all-keys",
        "What one object changed in a default, all other objects saw.",
        "tests/engine/test_defaults.py::test_a_default_that_one_object_changes_is_untouched_in_others",
    ),
    Fault(
        "argument-default-was-shared",
        "The default of an argument was one object for all attempts and calls.",
        "tests/engine/test_defaults.py::test_the_default_of_an_argument_is_new_in_every_attempt_and_call",
    ),
    Fault(
        "own-call-default-was-shared",
        "A handler that its object called as a method shared the default of an argument between all calls.",
        "tests/engine/test_defaults.py::test_the_default_of_an_argument_is_new_where_an_object_calls_its_own_method",
    ),
    Fault(
        "step-default-was-shared",
        "A step that changed its default left the change to the next call, of any object.",
        "tests/engine/test_step_copies.py::test_a_call_of_a_step_sees_no_default_that_another_has_changed",
    ),
    Fault(
        "unfit-default-was-taken",
        "A default that does not fit the type of its field was taken.",
        "tests/engine/test_defaults.py::test_a_default_that_does_not_fit_is_refused_with_its_class",
    ),
    Fault(
        "unfit-argument-default-was-taken",
        "A default that does not fit the type of its parameter was taken.",
        "tests/engine/test_defaults.py::test_a_default_of_an_argument_that_does_not_fit_is_refused_with_its_class",
    ),
    Fault(
        "factory-gave-another-value-each-look",
        "A factory was called at every look, so that an object had another identity each time.",
        "tests/engine/test_factories.py::test_what_a_factory_gave_is_the_same_for_everybody_ever_after",
    ),
    Fault(
        "impossible-factory-was-taken",
        "A factory that takes arguments, or waits, failed at the first call of each object.",
        "tests/test_definitions.py::test_a_factory_takes_nothing_and_does_not_wait",
    ),
    Fault(
        "factory-hid-the-items",
        "A factory hid the items of a Log or a Map that the field had been.",
        "tests/engine/test_conversion.py::test_a_factory_makes_nothing_over_the_items_of_a_collection",
    ),
    Fault(
        "list-to-log-lost-its-items",
        "A list that became a Log, or a dictionary that became a Map, lost its items without a word.",
        "tests/engine/test_conversion.py::test_what_a_list_and_a_dictionary_held_is_in_the_log_and_the_map",
    ),
    Fault(
        "log-to-list-lost-its-items",
        "A Log that became a list again lost its items without a word.",
        "tests/engine/test_conversion.py::test_a_log_that_becomes_a_list_again_says_so_and_is_kept",
    ),
    Fault(
        "fields-of-a-second-base-were-lost",
        "Fields of a second base or of a mixin were not kept.",
        "tests/engine/test_inheritance.py::test_fields_of_every_base_and_mixin_are_kept",
    ),
    Fault(
        "new-default-was-never-kept",
        "A field that a subclass assigned without an annotation was handed out and never kept.",
        "tests/engine/test_inheritance.py::test_a_value_without_an_annotation_is_a_new_default",
    ),
    Fault(
        "class-state-was-shared-by-all-keys",
        "A mutable class attribute that is no field was shared by all keys and lost at the end of the process.",
        "tests/test_definitions.py::test_state_that_all_objects_would_share_is_refused",
    ),
    Fault(
        "private-annotated-names-were-lost",
        "A private annotated name looked like a field and was never kept.",
        "tests/test_definitions.py::test_a_private_annotated_name_is_refused",
    ),
    Fault(
        "own-init-was-never-called",
        "What an actor's own __init__ had set was lost.",
        "tests/test_definitions.py::test_methods_that_the_engine_goes_around_are_refused",
    ),
    Fault(
        "positional-only-parameters-failed-late",
        "A handler with a positional-only parameter failed at its first call, not at the definition.",
        "tests/test_definitions.py::test_parameters_that_have_no_name_in_json_are_refused",
    ),
    Fault(
        "two-handlers-of-one-name",
        "The second of two handlers with one name hid the first.",
        "tests/test_definitions.py::test_two_handlers_of_one_name_in_a_class_are_refused",
    ),
    Fault(
        "handler-under-two-names",
        "One handler under two names was taken, and failed later.",
        "tests/test_definitions.py::test_one_handler_under_two_names_is_refused",
    ),
    Fault(
        "decorated-handler-was-lost",
        "A handler under another decorator was no handler, without a word.",
        "tests/test_definitions.py::test_a_handler_under_another_decorator_is_refused",
    ),
    Fault(
        "abstract-class-failed-late",
        "An abstract class was served, and failed at its first call.",
        "tests/test_definitions.py::test_an_abstract_class_is_no_object_and_a_subclass_is",
    ),
    Fault(
        "generic-class-failed-late",
        "A generic class without its types was served, and failed at its first call.",
        "tests/test_definitions.py::test_a_generic_class_is_served_with_real_types",
    ),
    Fault(
        "final-without-a-value",
        "A Final without a value was taken, and failed at the first look.",
        "tests/test_definitions.py::test_a_constant_without_a_value_is_refused",
    ),
    Fault(
        "generator-as-a-step",
        "A step that is a generator was taken, and its body never ran.",
        "tests/test_definitions.py::test_a_step_is_no_generator",
    ),
    Fault(
        "changed-item-was-forgotten",
        "An item of a Log that a handler changed in place was as before at the next look.",
        "tests/engine/test_items.py::test_an_item_of_a_log_that_is_changed_is_refused_by_name",
    ),
    Fault(
        "reader-changed-an-item",
        "An item of a Map that a reader changed was as before at the next look.",
        "tests/engine/test_items.py::test_an_item_that_a_reader_changes_is_refused_by_name",
    ),
    Fault(
        "deleted-field-was-retried",
        "'del self.n' was tried again until the attempts were used up.",
        "tests/engine/test_state.py::test_a_field_cannot_be_deleted_and_the_error_names_it",
    ),
    Fault(
        "step-changed-an-argument",
        "What a step changed in its argument was there in the first run and gone in a replay.",
        "tests/engine/test_step_copies.py::test_what_a_step_changes_in_an_argument_is_not_seen",
    ),
    Fault(
        "tries-shared-their-arguments",
        "What one try of a step changed in an argument, the next try saw.",
        "tests/engine/test_step_copies.py::test_every_try_is_given_the_same",
    ),
    Fault(
        "step-changed-a-field",
        "What a step changed in a field of its object was there at first and gone in a replay.",
        "tests/engine/test_step_copies.py::test_a_step_cannot_reach_the_fields_of_its_object",
    ),
    Fault(
        "foreign-code-changed-a-field",
        "Other code than its own handler changed the fields of an object.",
        "tests/engine/test_step_copies.py::test_fields_are_seen_by_their_own_handler_alone",
    ),
    Fault(
        "closure-mismatch-had-no-explanation",
        "A step that filled a closure ended as a mismatch that did not name the closure.",
        "tests/engine/test_step_copies.py::test_a_closure_that_a_step_fills_is_named_where_the_replay_differs",
    ),
    Fault(
        "own-errors-lost-their-attributes",
        "Errors of the user's own arrived without their attributes, or as another exception.",
        "tests/engine/test_carried_errors.py::test_an_error_is_made_again_from_its_record",
    ),
    Fault(
        "unmakeable-error-raised-another",
        "An error whose class needs arguments raised another error at the caller.",
        "tests/engine/test_carried_errors.py::test_an_error_that_cannot_be_made_again_is_named",
    ),
    Fault(
        "frozen-error-became-another",
        "A frozen error that left a thread or a context manager became a FrozenInstanceError.",
        "tests/engine/test_carried_errors.py::test_an_error_that_permits_nothing_comes_out_of_a_real_thread",
    ),
    Fault(
        "frozen-error-broke-a-context-manager",
        "A frozen error that passed a context manager of the user's became another error.",
        "tests/engine/test_carried_errors.py::test_a_frozen_error_passes_through_a_users_context_manager",
    ),
    Fault(
        "frozen-error-broke-a-deadline",
        "A frozen error that passed a deadline became another error.",
        "tests/engine/test_carried_errors.py::test_an_error_that_permits_nothing_passes_through_a_deadline",
    ),
    Fault(
        "details-were-bent",
        "A tuple or a set in the details of an error arrived as a list, a class as a dictionary.",
        "tests/engine/test_carried_errors.py::test_details_that_cannot_be_kept_are_refused",
    ),
    Fault(
        "long-details-became-none",
        "Details of an error that were too long became None without a word.",
        "tests/engine/test_carried_errors.py::test_details_are_kept_up_to_their_limit",
    ),
    Fault(
        "details-had-no-limit",
        "Details of an error had no limit.",
        "tests/engine/test_hostile_handlers.py::test_details_have_a_limit",
    ),
    Fault(
        "cut-text-did-not-say-so",
        "The text of an error that was cut did not say so.",
        "tests/hostile/test_failures.py::test_a_text_that_is_cut_says_so_with_its_length",
    ),
    Fault(
        "renamed-class-lost-its-objects",
        "A class that was renamed lost its objects.",
        "tests/engine/test_names.py::test_an_object_that_was_stored_under_an_alias_is_the_same_under_all_names",
    ),
    Fault(
        "renamed-handler-lost-its-invocations",
        "A handler that was renamed lost the invocations under way.",
        "tests/engine/test_names.py::test_what_is_under_way_goes_on_under_the_new_names",
    ),
    Fault(
        "renamed-target-was-a-mismatch",
        "A handler that called by the new name of a class could not replay its call by the old one.",
        "tests/engine/test_names.py::test_a_handler_that_calls_by_a_new_name_replays_what_it_called_by_the_old_one",
    ),
    Fault(
        "renamed-request-ran-twice",
        "A request that came again under the new name of its handler was done a second time.",
        "tests/engine/test_names.py::test_a_request_that_comes_again_under_another_name_is_the_same",
    ),
    Fault(
        "renamed-class-was-listed-in-part",
        "A list by name left out what a class or handler had done under its former names.",
        "tests/engine/test_names.py::test_invocations_are_listed_under_every_name",
    ),
    Fault(
        "added-parameter-changed-an-argument",
        "A parameter with a default that was added later made another value of a stored argument.",
        "tests/engine/test_changed_signatures.py::test_a_stored_value_stays_whole_when_a_parameter_is_added",
    ),
    Fault(
        "added-parameter-broke-a-replay",
        "A call that was replayed no longer matched its own record once its handler had one more parameter.",
        "tests/engine/test_changed_signatures.py::test_a_caller_replays_its_call_of_a_handler_that_has_changed",
    ),
    Fault(
        "added-parameter-refused-a-request",
        "A request under a key was refused as another once its handler had one more parameter.",
        "tests/engine/test_changed_signatures.py::test_a_request_is_the_same_when_a_parameter_is_added_or_removed",
    ),
    Fault(
        "added-parameter-paused-with-a-wrong-remedy",
        "An argument that had no place any more paused its invocation with a remedy that did not help.",
        "tests/engine/test_changed_signatures.py::test_what_has_no_place_pauses_with_the_remedy_that_fits",
    ),
    Fault(
        "added-parameter-broke-callers",
        "Adding a parameter with a default broke those who call with one value.",
        "tests/values/test_from_outside.py::test_a_parameter_with_a_default_can_be_added_or_removed_without_breaking_who_calls",
    ),
    Fault(
        "scope-deadline-was-lost",
        "A relative_deadline that was assigned to a CancelScope was lost.",
        "tests/engine/test_entries.py::test_a_scope_takes_no_other_attribute_for_its_deadline",
    ),
    Fault(
        "fail-fast-took-any-value",
        "A policy took any value for 'fail_fast' and treated it as true.",
        "tests/engine/test_entries.py::test_a_policy_fails_fast_or_does_not_or_leaves_it_open",
    ),
    Fault(
        "error-typed-in-its-own-class",
        "An error whose attribute is typed by a class in its own body arrived as a TerminalError.",
        "tests/engine/test_carried_errors.py::test_an_error_is_made_again_from_its_record[typed by a class in its own]",
    ),
    Fault(
        "run-recorded-what-its-step-redacts",
        "A declared step that was given to 'actors.run' had the values of its redacted parameters recorded.",
        "tests/engine/test_redaction.py::test_a_redacted_argument_reaches_the_body_and_nothing_that_is_stored",
    ),
)
