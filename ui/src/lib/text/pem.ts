const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;
const KEY = /-----BEGIN ((?:RSA |EC )?PRIVATE KEY)-----[\s\S]+?-----END \1-----/;

/** The certificates in a PEM file, without what stands around them. */
export const certificatesIn = (text: string): string[] => text.match(CERTIFICATE) ?? [];

/** What else there is than certificates. */
export const besidesCertificates = (text: string): string => text.replaceAll(CERTIFICATE, "").trim();

/** The private key in a PEM file; null without one, or if it needs a passphrase. */
export const keyIn = (text: string): string | null => KEY.exec(text)?.[0] ?? null;
