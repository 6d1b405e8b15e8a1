/** Lists of the API for TanStack Query: pages that are loaded one after another, and changes that refresh them. */

import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { ListState } from "../components/data-table";
import { get, type Page, type Query } from "./client";

/** How many rows a page has. */
const PAGE_SIZE = 50;

/** A list read page by page; the first part of the query key is the resource's name. */
export function useList<Row>(
  resource: string,
  query: Query = {},
  options: { refetchInterval?: number } = {},
): ListState<Row> {
  const pages = useInfiniteQuery({
    queryKey: [resource, "list", query],
    queryFn: ({ pageParam }) => get<Page<Row>>(`/${resource}`, { ...query, limit: PAGE_SIZE, cursor: pageParam }),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor || undefined,
    refetchInterval: options.refetchInterval,
  });
  return {
    rows: pages.data?.pages.flatMap((page) => page.items),
    error: pages.error,
    refetch: () => void pages.refetch(),
    more: pages.hasNextPage ? { load: () => void pages.fetchNextPage(), loading: pages.isFetchingNextPage } : undefined,
  };
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
      await Promise.all(resources.map((resource) => queries.invalidateQueries({ queryKey: [resource] })));
      done?.(output);
    },
  });
}
