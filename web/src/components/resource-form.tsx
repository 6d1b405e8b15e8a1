/** Forms that are described rather than written: each field by its kind, with its label and help. */

import { NumberInput, PasswordInput, Select, Switch, TagsInput, Textarea, TextInput } from "@mantine/core";
import type { UseFormReturnType } from "@mantine/form";
import { useI18n } from "../i18n/i18n";

/** What a field holds. */
export type FieldValue = string | number | boolean | string[];
export type FormValues = Record<string, FieldValue>;

/** How a field looks, and when it is shown. */
export interface FieldSpec {
  name: string;
  label: string;
  kind: "text" | "password" | "number" | "switch" | "select" | "tags" | "textarea" | "date" | "decimal";
  help?: string;
  /** The help where something is changed and not made, if that is another. */
  changeHelp?: string;
  placeholder?: string;
  required?: boolean;
  /** Shown for new things only, since it cannot be changed later. */
  onlyNew?: boolean;
  options?: { value: string; label: string }[];
  min?: number;
  max?: number;
  shown?: (values: FormValues) => boolean;
}

/** The fields that a form has now. */
export function visibleFields(fields: readonly FieldSpec[], values: FormValues, isNew: boolean): FieldSpec[] {
  return fields.filter((field) => (isNew || !field.onlyNew) && (field.shown?.(values) ?? true));
}

/** Names of the fields that must be filled and are not. */
export function missingFields(fields: readonly FieldSpec[], values: FormValues): string[] {
  return fields
    .filter(({ required, name }) => {
      const value = values[name];
      return required && (value === undefined || value === "" || (Array.isArray(value) && value.length === 0));
    })
    .map(({ name }) => name);
}

/** Bring the first field that is wrong into sight, to be corrected: in a long form it is far from the button. */
export function focusFirstWrong(
  fields: readonly FieldSpec[],
  form: UseFormReturnType<FormValues>,
  errors: Readonly<Record<string, unknown>>,
): void {
  const first = fields.find(({ name }) => errors[name]);
  if (first) form.getInputNode(first.name)?.focus();
}

/** One field of the form. */
export function FormField({
  field,
  form,
  isNew,
}: {
  field: FieldSpec;
  form: UseFormReturnType<FormValues>;
  isNew: boolean;
}) {
  const { t } = useI18n();
  const shared = {
    label: field.label,
    description: isNew ? field.help : (field.changeHelp ?? field.help),
    placeholder: field.placeholder,
    withAsterisk: field.required,
  };
  const input = form.getInputProps(field.name);
  switch (field.kind) {
    case "number":
      return (
        <NumberInput {...shared} min={field.min} max={field.max} allowDecimal={false} clampBehavior="none" {...input} />
      );
    case "switch":
      return (
        <Switch
          label={field.label}
          description={field.help}
          {...form.getInputProps(field.name, { type: "checkbox" })}
        />
      );
    case "select":
      return (
        <Select
          {...shared}
          data={field.options ?? []}
          searchable={(field.options?.length ?? 0) > 8}
          allowDeselect={!field.required}
          {...input}
        />
      );
    case "tags":
      return (
        <TagsInput {...shared} data={field.options ?? []} splitChars={[",", ";", " "]} acceptValueOnBlur {...input} />
      );
    case "textarea":
      return <Textarea {...shared} autosize minRows={2} maxLength={4000} {...input} />;
    case "date":
      return <TextInput {...shared} type="date" {...input} />;
    case "password":
      return (
        <PasswordInput
          {...shared}
          autoComplete="new-password"
          visibilityToggleButtonProps={{ "aria-label": t.signIn.showPassword }}
          {...input}
        />
      );
    default:
      return (
        <TextInput
          {...shared}
          inputMode={field.kind === "decimal" ? "decimal" : undefined}
          maxLength={1000}
          {...input}
        />
      );
  }
}
