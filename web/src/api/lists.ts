/** Lists of the API for TanStack Query: pages that are loaded one after another, and changes that refresh them. */

import { keepPreviousData, useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { ListState } from "../components/data-table";
import { get, type Page, type Query } from "./client";

/** How many rows a page has. */
const PAGE_SIZE = 50;
/** The most rows that the API gives in a page. */
const LARGEST_PAGE = 200;

/** A list read page by page; the first part of the query key is the resource's name. */
export function useList<Row>(
  resource: string,
  query: Query = {},
  options: { refetchInterval?: number; placeholderData?: typeof keepPreviousData } = {},
): ListState<Row> {
  const pages = useInfiniteQuery({
    queryKey: [resource, "list", query],
    queryFn: ({ pageParam }) => get<Page<Row>>(`/${resource}`, { ...query, limit: PAGE_SIZE, cursor: pageParam }),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor || undefined,
    ...options,
  });
  return {
    rows: pages.data?.pages.flatMap((page) => page.items),
    error: pages.error,
    refetch: () => void pages.refetch(),
    more: pages.hasNextPage ? { load: () => void pages.fetchNextPage(), loading: pages.isFetchingNextPage } : undefined,
  };
}

async function allOf<Row>(resource: string): Promise<Row[]> {
  const rows: Row[] = [];
  let cursor: string | null | undefined;
  do {
    const page = await get<Page<Row>>(`/${resource}`, { limit: LARGEST_PAGE, cursor });
    rows.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor);
  return rows;
}

/** All rows of a resource, to choose from and for their names; events, which can be many, do not read them again. */
export function useAll<Row>(resource: string, { enabled = true } = {}): Row[] | undefined {
  return useQuery({ queryKey: ["all", resource], queryFn: () => allOf<Row>(resource), enabled }).data;
}

/** One resource by its id; nothing is asked while the id is missing. */
export function useOne<T>(resource: string, id: string | null | undefined) {
  return useQuery({
    queryKey: [resource, "one", id],
    queryFn: () => get<T>(`/${resource}/${encodeURIComponent(id ?? "")}`),
    enabled: Boolean(id),
  });
}

/** A change: runs the action, and then makes the named resources stale. */
export function useChange<Input, Output>(
  action: (input: Input) => Promise<Output>,
  resources: string[],
  done?: (output: Output) => void,
) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: action,
    onSuccess: async (output) => {
      const keys = resources.flatMap((resource) => [[resource], ["all", resource]]);
      await Promise.all(keys.map((queryKey) => queries.invalidateQueries({ queryKey })));
      done?.(output);
    },
  });
}
