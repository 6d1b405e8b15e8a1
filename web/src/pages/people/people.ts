/** What leads and contacts share on their pages. */

import type { Person } from "../../api/types";
import type { Dictionary } from "../../i18n/en";

export type PeopleResource = "leads" | "contacts";

/** The fields of the form; phones and e-mail addresses stand one a line. */
export interface PersonValues {
  name: string;
  phones: string[];
  emails: string[];
  source: string;
  responsible: string;
  note: string;
  stage: string;
}

/** The word for a stage; a stage that the app does not know is shown as it is. */
export function stageText(stage: string, t: Dictionary): string {
  return (t.stages as Record<string, string>)[stage] ?? stage;
}

/** The word for where a person came from: what the server wrote itself is translated, what somebody typed stays. */
export function sourceText(source: string, t: Dictionary): string {
  return (t.sources as Record<string, string>)[source] ?? source;
}

/** The form's values of a person, or of a new one. */
export function valuesOf(person?: Person): PersonValues {
  return {
    name: person?.name ?? "",
    phones: person?.phones ?? [],
    emails: person?.emails ?? [],
    source: person?.source ?? "",
    responsible: person?.responsible ?? "",
    note: person?.note ?? "",
    stage: person?.stage ?? "new",
  };
}

/** What the API is sent: texts trimmed, and the stage for leads only. */
export function bodyOf(values: PersonValues, resource: PeopleResource): Record<string, unknown> {
  const { stage, ...shared } = values;
  const body = {
    ...shared,
    name: values.name.trim(),
    source: values.source.trim(),
    responsible: values.responsible.trim(),
    note: values.note.trim(),
  };
  return resource === "leads" ? { ...body, stage } : body;
}
