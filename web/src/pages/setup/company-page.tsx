/** The company's settings: its country and money, its time and language, and what is recorded. */

import { Button, Group, Paper, Skeleton, Stack } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useQuery } from "@tanstack/react-query";
import { get, patch } from "../../api/client";
import { useChange } from "../../api/lists";
import type { Company } from "../../api/types";
import { notifyDone } from "../../components/notify";
import { Page } from "../../components/page";
import { ProblemAlert } from "../../components/problem-alert";
import { type FieldSpec, focusFirstWrong, FormField, type FormValues, missingFields } from "../../components/resource-form";
import { languageOptions, useI18n } from "../../i18n/i18n";

/** Loads the settings and shows their form. */
export function CompanyPage() {
  const { t } = useI18n();
  const company = useQuery({ queryKey: ["company"], queryFn: () => get<Company>("/company") });
  return (
    <Page title={t.pages.company} about={t.company.about}>
      {company.error && <ProblemAlert error={company.error} onRetry={() => void company.refetch()} />}
      {company.isPending && <Skeleton height={420} radius="md" />}
      {company.data && <CompanyForm company={company.data} />}
    </Page>
  );
}

function CompanyForm({ company }: { company: Company }) {
  const { t } = useI18n();
  const fields: FieldSpec[] = [
    { name: "name", label: t.fields.name, kind: "text", required: true },
    {
      name: "country",
      label: t.company.country,
      kind: "text",
      required: true,
      help: t.company.countryHelp,
      placeholder: "RU",
    },
    { name: "currency", label: t.fields.currency, kind: "text", required: true, placeholder: "RUB" },
    {
      name: "timezone",
      label: t.company.timezone,
      kind: "select",
      required: true,
      help: t.company.timezoneHelp,
      options: timeZones(company.timezone).map((value) => ({ value, label: value })),
    },
    {
      name: "language",
      label: t.fields.language,
      kind: "select",
      required: true,
      help: t.company.languageHelp,
      options: languageOptions,
    },
    { name: "ring_seconds", label: t.company.ringSeconds, kind: "number", required: true, min: 5, max: 180 },
    { name: "record_calls", label: t.company.recordCalls, kind: "switch", help: t.company.recordHelp },
    { name: "record_internal_calls", label: t.company.recordInternal, kind: "switch" },
    {
      name: "recording_layout",
      label: t.company.recordingLayout,
      kind: "select",
      required: true,
      options: [
        { value: "stereo", label: t.company.layoutStereo },
        { value: "parties", label: t.company.layoutParties },
      ],
    },
    { name: "lamps_show_callers", label: t.company.lampsShowCallers, kind: "switch", help: t.company.lampsHelp },
    { name: "notify_emails", label: t.company.notify, kind: "tags", help: t.company.notifyHelp },
  ];
  const form = useForm<FormValues>({
    initialValues: { ...company },
    validate: (values) => Object.fromEntries(missingFields(fields, values).map((name) => [name, t.common.required])),
  });
  const save = useChange(
    (values: FormValues) => {
      const changed = fields.filter(
        ({ name }) => JSON.stringify(values[name]) !== JSON.stringify(form.getInitialValues()[name]),
      );
      return patch<Company>("/company", Object.fromEntries(changed.map(({ name }) => [name, values[name]])));
    },
    ["company"],
    (saved) => {
      form.setInitialValues({ ...saved });
      form.reset();
      notifyDone(t.common.saved);
    },
  );

  const submit = form.onSubmit(
    (values) => save.mutate(values),
    (errors) => focusFirstWrong(fields, form, errors),
  );

  return (
    <Paper withBorder p="lg" maw={620}>
      <form onSubmit={submit} noValidate>
        <Stack>
          {fields.map((field) => (
            <FormField key={field.name} field={field} form={form} isNew={false} />
          ))}
          {save.error && <ProblemAlert error={save.error} />}
          <Group justify="flex-end">
            <Button type="submit" loading={save.isPending} disabled={!form.isDirty()}>
              {t.common.save}
            </Button>
          </Group>
        </Stack>
      </form>
    </Paper>
  );
}

/** The time zones that the browser knows, and the present one. */
function timeZones(present: string): string[] {
  return [...new Set([present, "UTC", ...Intl.supportedValuesOf("timeZone")])];
}
