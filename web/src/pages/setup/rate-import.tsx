/** Imports a rate deck from a CSV file; the lines that are wrong are shown with their numbers. */

import { Alert, Button, FileInput, Group, Modal, Stack, Switch, Table, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useState } from "react";
import { upload } from "../../api/client";
import { useChange } from "../../api/lists";
import { ApiError } from "../../api/problem";
import type { RateImportResult } from "../../api/types";
import { Icon } from "../../components/icons";
import { ProblemAlert, problemText } from "../../components/problem-alert";
import { useI18n } from "../../i18n/i18n";
import { lineErrors } from "./line-errors";

/** The button and its dialog. */
export function RateImport() {
  const { t } = useI18n();
  const [opened, dialog] = useDisclosure(false);
  const [file, setFile] = useState<File | null>(null);
  const [replacing, setReplacing] = useState(false);
  const load = useChange(
    (chosen: File) => upload<RateImportResult>("/rates/import", chosen, "text/csv", { close_previous: replacing }),
    ["rates", "cdrs"],
  );
  const close = (): void => {
    setFile(null);
    load.reset();
    dialog.close();
  };

  return (
    <>
      <Button variant="default" leftSection={<Icon name="upload" size={16} />} onClick={dialog.open}>
        {t.rates.import}
      </Button>
      <Modal
        opened={opened}
        onClose={close}
        title={t.rates.import}
        size="lg"
        closeButtonProps={{ "aria-label": t.common.close }}
      >
        <Stack>
          <Text size="sm">{t.rates.importHelp}</Text>
          <Text size="xs" className="mono note">
            prefix,kind,price_per_minute,currency,first_increment,increment,connection_fee,valid_from,valid_to
          </Text>
          <FileInput
            label={t.rates.file}
            placeholder={t.rates.chooseFile}
            accept=".csv,text/csv"
            leftSection={<Icon name="file" size={16} />}
            value={file}
            onChange={(chosen) => {
              load.reset();
              setFile(chosen);
            }}
            clearable
          />
          <Switch
            label={t.rates.replace}
            description={t.rates.replaceHelp}
            checked={replacing}
            onChange={(event) => setReplacing(event.currentTarget.checked)}
          />
          {load.data && (
            <Alert color="teal" role="status">
              {t.rates.imported(load.data.imported)} {load.data.closed > 0 && t.rates.closed(load.data.closed)}{" "}
              {load.data.rated > 0 && t.rates.rated(load.data.rated)}
            </Alert>
          )}
          {load.error && <ImportProblem error={load.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              {t.common.close}
            </Button>
            <Button disabled={!file} loading={load.isPending} onClick={() => file && load.mutate(file)}>
              {t.rates.import}
            </Button>
          </Group>
        </Stack>
      </Modal>
    </>
  );
}

function ImportProblem({ error }: { error: Error }) {
  const i18n = useI18n();
  const { t } = i18n;
  const lines = error instanceof ApiError ? lineErrors(error.fields) : [];
  if (lines.length === 0) return <ProblemAlert error={error} />;
  return (
    <Stack gap="xs" role="alert">
      <Alert color="red" icon={<Icon name="warning" />} title={problemText(error, i18n)}>
        {t.rates.nothingImported}
      </Alert>
      <div className="line-errors">
        <Table aria-label={t.rates.wrongLines}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t.rates.line}</Table.Th>
              <Table.Th>{t.rates.whatIsWrong}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {lines.map(({ line, message }) => (
              <Table.Tr key={`${line}:${message}`}>
                <Table.Td className="digits">{line}</Table.Td>
                <Table.Td>{message}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </div>
    </Stack>
  );
}
