/** The page of those who are not signed in. */

import { Button, Card, Center, Group, PasswordInput, Stack, Text, TextInput, Title } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { ApiError } from "../api/problem";
import { Logo } from "../components/logo";
import { ProblemAlert } from "../components/problem-alert";
import { useI18n } from "../i18n/i18n";
import { LanguageMenu, SchemeButton } from "../shell/preferences";
import { signIn } from "./session";

/** Asks for name and password; a wrong one is said plainly, whichever of the two it was. */
export function SignInPage() {
  const { t } = useI18n();
  const queries = useQueryClient();
  const form = useForm({
    initialValues: { username: "", password: "" },
    validate: {
      username: (value) => (value.trim() ? null : t.common.required),
      password: (value) => (value ? null : t.common.required),
    },
  });
  const attempt = useMutation({
    mutationFn: (values: typeof form.values) => signIn(values.username.trim(), values.password),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["session"] }),
  });
  const wrong = attempt.error instanceof ApiError && [400, 401, 403].includes(attempt.error.status);

  return (
    <Center mih="100dvh" p="md" className="sign-in">
      <Stack w="100%" maw={380} gap="lg">
        <Group justify="center" gap="sm">
          <Logo size={40} />
          <Title order={1} size="h2">
            Ramal
          </Title>
        </Group>
        <Card withBorder padding="lg" component="main">
          <form onSubmit={form.onSubmit((values) => attempt.mutate(values))} noValidate>
            <Stack gap="md">
              <Title order={2} size="h4">
                {t.signIn.title}
              </Title>
              <TextInput
                label={t.signIn.username}
                autoComplete="username"
                autoCapitalize="none"
                data-autofocus
                {...form.getInputProps("username")}
              />
              <PasswordInput
                label={t.signIn.password}
                autoComplete="current-password"
                visibilityToggleButtonProps={{ "aria-label": t.signIn.showPassword }}
                {...form.getInputProps("password")}
              />
              {wrong && (
                <Text c="red" size="sm" role="alert">
                  {t.signIn.wrong}
                </Text>
              )}
              {attempt.error && !wrong && <ProblemAlert error={attempt.error} />}
              <Button type="submit" loading={attempt.isPending} fullWidth>
                {t.signIn.submit}
              </Button>
            </Stack>
          </form>
        </Card>
        <Group justify="center" gap="xs">
          <LanguageMenu />
          <SchemeButton />
        </Group>
        <Text size="xs" c="dimmed" ta="center">
          {t.signIn.help}
        </Text>
      </Stack>
    </Center>
  );
}
