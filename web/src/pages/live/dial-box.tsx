/** Click to call: rings one's own phone first, and then the number. */

import { Button, Group, Select } from "@mantine/core";
import { useForm } from "@mantine/form";
import { post } from "../../api/client";
import { useExtensionOptions } from "../../api/extensions";
import { useChange } from "../../api/lists";
import { Icon } from "../../components/icons";
import { notifyDone, notifyProblem } from "../../components/notify";
import { useI18n } from "../../i18n/i18n";
import { useSession } from "../../session/session";
import { TargetInput } from "./target-input";

/** The box to dial from; who has no extension of his own chooses whose phone rings. */
export function DialBox() {
  const i18n = useI18n();
  const { t } = i18n;
  const { user } = useSession();
  const own = user.extension ?? "";
  const choosesPhone = !(own && user.role === "agent");
  const extensions = useExtensionOptions(choosesPhone);
  const form = useForm({
    initialValues: { from: own, to: "" },
    validate: {
      from: (value) => (value ? null : t.common.required),
      to: (value) => (value.trim() ? null : t.common.required),
    },
  });
  const dial = useChange((body: { from: string; to: string }) => post("/calls", body), ["calls"]);
  const submit = form.onSubmit(({ from, to }) =>
    dial.mutate(
      { from, to: to.trim() },
      {
        onSuccess: () => {
          notifyDone(t.live.dialling(from));
          form.setFieldValue("to", "");
        },
        onError: (error) => notifyProblem(error, i18n),
      },
    ),
  );

  return (
    <form onSubmit={submit} noValidate aria-label={t.live.dial}>
      <Group gap="xs" align="flex-start" className="dial-box">
        {choosesPhone && (
          <Select
            aria-label={t.live.dialFrom}
            placeholder={t.live.dialFrom}
            data={extensions}
            searchable
            w={250}
            {...form.getInputProps("from")}
          />
        )}
        <TargetInput aria-label={t.live.dialTo} w={190} {...form.getInputProps("to")} />
        <Button type="submit" loading={dial.isPending} leftSection={<Icon name="answer" size={16} />}>
          {t.live.dial}
        </Button>
      </Group>
    </form>
  );
}
