import type { ImageSummary } from "../../lib/ipc/bindings";
import { shownName } from "../../lib/text/reference";

/** One line of the table: a name of an image, or an image without one. */
export interface ImageRow {
  image: ImageSummary;
  /** What commands call it: the tag, else the id. */
  name: string;
  tag: string | null;
  /** What a person calls it: the tag, else the short id. */
  shown: string;
}

/** The running containers that keep the image from being removed by its last name. */
export const heldBy = ({ image }: ImageRow): readonly string[] =>
  image.tags.length > 1 ? [] : image.users.filter(({ running }) => running).map(({ container_name }) => container_name);

/** A row for each name, by name; those without one last. */
export const rowsOf = (images: readonly ImageSummary[]): ImageRow[] => {
  const rows = images.flatMap((image): ImageRow[] => {
    const tags: (string | null)[] = image.tags.length > 0 ? image.tags : [null];
    return tags.map((tag) => ({ image, tag, name: tag ?? image.id, shown: shownName(tag ?? image.id) }));
  });
  const order = ({ tag, name }: ImageRow) => (tag === null ? `\uffff${name}` : name);
  return rows.sort((a, b) => (order(a) < order(b) ? -1 : 1));
};
