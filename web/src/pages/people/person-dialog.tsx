/** Creates or changes a lead or a contact. */

import { Group, Select, TagsInput, Textarea, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { patch, post } from "../../api/client";
import { useChange } from "../../api/lists";
import type { Person } from "../../api/types";
import { FormDialog } from "../../components/form-dialog";
import { notifyDone } from "../../components/notify";
import { useI18n } from "../../i18n/i18n";
import { bodyOf, type PeopleResource, type PersonValues, stageText, valuesOf } from "./people";

/** The form; `person` is the one to change, or nothing for a new one. */
export function PersonDialog({
  resource,
  person,
  onClose,
}: {
  resource: PeopleResource;
  person?: Person;
  onClose: () => void;
}) {
  const { t } = useI18n();
  const form = useForm<PersonValues>({
    initialValues: valuesOf(person),
    validate: {
      name: (value, values) => (value.trim() || values.phones.length > 0 ? null : t.people.nameOrPhone),
    },
  });
  const save = useChange(
    (values: PersonValues) => {
      const body = bodyOf(values, resource);
      return person ? patch(`/${resource}/${person.id}`, body) : post(`/${resource}`, body);
    },
    [resource],
    () => {
      notifyDone(t.common.saved);
      onClose();
    },
  );
  const texts = t.people[resource];

  return (
    <FormDialog
      title={person ? texts.edit : texts.create}
      error={save.error}
      pending={save.isPending}
      onSubmit={form.onSubmit((values) => save.mutate(values))}
      onClose={onClose}
    >
      <TextInput label={t.fields.name} data-autofocus maxLength={200} {...form.getInputProps("name")} />
      <TagsInput
        label={t.fields.phones}
        description={t.people.oneByOne}
        inputMode="tel"
        splitChars={[",", ";"]}
        acceptValueOnBlur
        {...form.getInputProps("phones")}
      />
      <TagsInput
        label={t.fields.emails}
        inputMode="email"
        splitChars={[",", ";", " "]}
        acceptValueOnBlur
        {...form.getInputProps("emails")}
      />
      {resource === "leads" && (
        <Select
          label={t.fields.stage}
          allowDeselect={false}
          data={stageChoices(form.values.stage).map((value) => ({ value, label: stageText(value, t) }))}
          {...form.getInputProps("stage")}
        />
      )}
      <Group grow>
        <TextInput label={t.fields.source} maxLength={100} {...form.getInputProps("source")} />
        <TextInput label={t.fields.responsible} maxLength={100} {...form.getInputProps("responsible")} />
      </Group>
      <Textarea label={t.fields.note} autosize minRows={3} maxLength={4000} {...form.getInputProps("note")} />
    </FormDialog>
  );
}

/** The known stages, and the present one where it is another. */
function stageChoices(present: string): string[] {
  const known = ["new", "in_progress", "converted", "junk"];
  return known.includes(present) ? known : [present, ...known];
}
