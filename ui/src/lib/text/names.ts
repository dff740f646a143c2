/** What the engine takes for a volume's or network's name. */
const NAME = /^[a-zA-Z0-9][\w.-]+$/;

export const isName = (text: string): boolean => NAME.test(text);

const isByte = (text: string) => /^\d{1,3}$/.test(text) && Number(text) <= 255;

/** Whether `text` is an IPv4 or IPv6 range such as `10.20.0.0/16`. */
export const isSubnet = (text: string): boolean => {
  const [address = "", length = "", ...more] = text.split("/");
  if (more.length > 0 || !/^\d{1,3}$/.test(length)) return false;
  if (address.includes(":")) {
    return Number(length) <= 128 && /^[0-9a-fA-F:]{2,39}$/.test(address) && address.split("::").length <= 2;
  }
  const parts = address.split(".");
  return Number(length) <= 32 && parts.length === 4 && parts.every(isByte);
};

/** The most of a foreign text that goes into a sentence. */
const BRIEF = 80;

/** A text that a container chose, for a sentence: not too long, and without signs that turn the sentence around. */
export const briefly = (text: string): string => {
  const plain = text.slice(0, 4 * BRIEF).replaceAll(/[\p{Cc}\p{Cf}]+/gu, " ").trim();
  return plain.length > BRIEF ? `${plain.slice(0, BRIEF)}…` : plain;
};

/** A few names in a sentence, and a sign that there are more. */
export const namesOf = (names: readonly string[], most = 5): string =>
  names.length > most ? `${names.slice(0, most).join(", ")}, …` : names.join(", ");
