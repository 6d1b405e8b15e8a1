/** The app: providers, the question who is signed in, and the routes by role. */

import { Center, Loader, MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { lazy, type ReactNode } from "react";
import { BrowserRouter, Navigate, Route, Routes } from "react-router";
import { ApiError } from "./api/problem";
import type { Session } from "./api/types";
import { NoExtension } from "./components/no-extension";
import { ProblemAlert } from "./components/problem-alert";
import { I18nProvider } from "./i18n/i18n";
import { CallsPage } from "./pages/calls/calls-page";
import { LivePage } from "./pages/live/live-page";
import { NotFoundPage } from "./pages/not-found-page";
import { PeoplePage } from "./pages/people/people-page";
import { VisitorsPage } from "./pages/visitors/visitors-page";
import { lacksExtension } from "./session/permissions";
import { SessionProvider, useSessionQuery } from "./session/session";
import { SignInPage } from "./session/sign-in-page";
import { homePath, mayVisit, type PageName } from "./shell/navigation";
import { Shell } from "./shell/shell";
import { theme } from "./theme";

/** The pages of the set-up are loaded when somebody opens them: most users never do. */
const setup = () => import("./pages/setup");
const CamerasPage = lazy(async () => ({ default: (await setup()).CamerasPage }));
const CompanyPage = lazy(async () => ({ default: (await setup()).CompanyPage }));
const ExtensionsPage = lazy(async () => ({ default: (await setup()).ExtensionsPage }));
const NumbersPage = lazy(async () => ({ default: (await setup()).NumbersPage }));
const RatesPage = lazy(async () => ({ default: (await setup()).RatesPage }));
const RoutesPage = lazy(async () => ({ default: (await setup()).RoutesPage }));
const TrunksPage = lazy(async () => ({ default: (await setup()).TrunksPage }));
const UsersPage = lazy(async () => ({ default: (await setup()).UsersPage }));

const queries = new QueryClient({
  defaultOptions: {
    // What is asked while the network is away fails at once: kept back, a click on “Hang up” would end whatever call there is later.
    mutations: { networkMode: "always" },
    queries: {
      networkMode: "always",
      refetchOnReconnect: true,
      staleTime: 5000,
      retry: (failures, error) => failures < 2 && error instanceof ApiError && (error.isOffline || error.status >= 500),
    },
  },
});

const pages: readonly { page: PageName; path: string; element: ReactNode }[] = [
  { page: "live", path: "live", element: <LivePage /> },
  { page: "calls", path: "calls/:id?", element: <CallsPage /> },
  { page: "leads", path: "leads/:id?", element: <PeoplePage key="leads" resource="leads" /> },
  { page: "contacts", path: "contacts/:id?", element: <PeoplePage key="contacts" resource="contacts" /> },
  { page: "visitors", path: "visitors", element: <VisitorsPage /> },
  { page: "extensions", path: "setup/extensions", element: <ExtensionsPage /> },
  { page: "trunks", path: "setup/trunks", element: <TrunksPage /> },
  { page: "numbers", path: "setup/numbers", element: <NumbersPage /> },
  { page: "routes", path: "setup/routes", element: <RoutesPage /> },
  { page: "rates", path: "setup/rates", element: <RatesPage /> },
  { page: "cameras", path: "setup/cameras", element: <CamerasPage /> },
  { page: "users", path: "setup/users", element: <UsersPage /> },
  { page: "company", path: "setup/company", element: <CompanyPage /> },
];

/** The whole app. */
export function App() {
  return (
    <MantineProvider theme={theme} defaultColorScheme="auto">
      <QueryClientProvider client={queries}>
        <I18nProvider>
          <Notifications position="top-right" />
          <BrowserRouter>
            <Entrance />
          </BrowserRouter>
        </I18nProvider>
      </QueryClientProvider>
    </MantineProvider>
  );
}

function Entrance() {
  const session = useSessionQuery();
  if (session.isPending) {
    return (
      <Center mih="100dvh">
        <Loader />
      </Center>
    );
  }
  if (session.error) {
    return (
      <Center mih="100dvh" p="md">
        <ProblemAlert error={session.error} onRetry={() => void session.refetch()} />
      </Center>
    );
  }
  if (!session.data) return <SignInPage />;
  return (
    <SessionProvider user={session.data}>
      <Pages session={session.data} />
    </SessionProvider>
  );
}

function Pages({ session }: { session: Session }) {
  return (
    <Routes>
      <Route element={<Shell />}>
        <Route index element={<Navigate to={homePath(session)} replace />} />
        {pages
          .filter(({ page }) => mayVisit(session, page))
          .map(({ page, path, element }) => (
            <Route
              key={page}
              path={path}
              element={
                (page === "live" || page === "calls") && lacksExtension(session) ? <NoExtension page={page} /> : element
              }
            />
          ))}
        <Route path="*" element={<NotFoundPage />} />
      </Route>
    </Routes>
  );
}
