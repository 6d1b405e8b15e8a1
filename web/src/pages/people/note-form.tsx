/** Writes a note into the story of a customer. */

import { Button, Group, Textarea } from "@mantine/core";
import { useState } from "react";
import { post } from "../../api/client";
import { useChange } from "../../api/lists";
import { notifyProblem } from "../../components/notify";
import { useI18n } from "../../i18n/i18n";
import type { PeopleResource } from "./people";

const ownerKinds = { leads: "lead", contacts: "contact" } as const;

/** The field and its button; the note appears among the activities. */
export function NoteForm({ resource, id }: { resource: PeopleResource; id: string }) {
  const i18n = useI18n();
  const { t } = i18n;
  const [text, setText] = useState("");
  const add = useChange(
    (note: string) => post("/activities", { text: note, owners: [{ kind: ownerKinds[resource], id }] }),
    [resource],
    () => setText(""),
  );
  return (
    <Group gap="xs" align="flex-end" wrap="nowrap">
      <Textarea
        aria-label={t.fields.note}
        placeholder={t.fields.note}
        autosize
        minRows={1}
        maxRows={6}
        maxLength={10_000}
        flex={1}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      <Button
        variant="default"
        disabled={!text.trim()}
        loading={add.isPending}
        onClick={() => add.mutate(text.trim(), { onError: (error) => notifyProblem(error, i18n) })}
      >
        {t.people.addNote}
      </Button>
    </Group>
  );
}
