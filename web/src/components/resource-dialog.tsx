/** The dialog that creates or changes one thing of the set-up. */

import { useForm } from "@mantine/form";
import { patch, post } from "../api/client";
import { useChange } from "../api/lists";
import { ApiError } from "../api/problem";
import { useI18n } from "../i18n/i18n";
import { FormDialog } from "./form-dialog";
import { notifyDone } from "./notify";
import { type FieldSpec, focusFirstWrong, FormField, type FormValues, missingFields, visibleFields } from "./resource-form";

/** Sends what `toBody` makes of the values: to the thing with `id`, or as a new one. */
export function ResourceDialog<New>({
  resource,
  title,
  id,
  fields,
  values,
  toBody,
  onClose,
  onCreated,
}: {
  resource: string;
  title: string;
  id?: string;
  fields: readonly FieldSpec[];
  values: FormValues;
  toBody: (values: FormValues, isNew: boolean) => unknown;
  onClose: () => void;
  onCreated?: (row: New) => void;
}) {
  const { t } = useI18n();
  const isNew = id === undefined;
  const form = useForm<FormValues>({
    initialValues: values,
    validate: (current) =>
      Object.fromEntries(
        missingFields(visibleFields(fields, current, isNew), current).map((name) => [name, t.common.required]),
      ),
  });
  const save = useChange(
    (current: FormValues) => {
      const body = toBody(current, isNew);
      return isNew ? post<New>(`/${resource}`, body) : patch<New>(`/${resource}/${id}`, body);
    },
    [resource],
    (row) => {
      notifyDone(t.common.saved);
      onClose();
      if (isNew) onCreated?.(row);
    },
  );

  const showBesideFields = (error: unknown) => {
    if (!(error instanceof ApiError)) return;
    // A field is named as "body.host", a list's entry as "body.allow_from.0".
    const nameOf = (place: string) => place.replace(/^body\./, "").replace(/\..*$/, "");
    const errors = Object.fromEntries(error.fields.map(({ field, message }) => [nameOf(field), message]));
    form.setErrors(errors);
    focusFirstWrong(fields, form, errors);
  };
  const submit = form.onSubmit(
    (current) => save.mutate(current, { onError: showBesideFields }),
    (errors) => focusFirstWrong(fields, form, errors),
  );

  return (
    <FormDialog
      title={title}
      error={save.error}
      pending={save.isPending}
      onSubmit={submit}
      onClose={onClose}
    >
      {visibleFields(fields, form.values, isNew).map((field) => (
        <FormField key={field.name} field={field} form={form} isNew={isNew} />
      ))}
    </FormDialog>
  );
}
