/** Outlines on a 16-pixel grid; all of one set, drawn for Naru. */
export const paths = {
  container: "M2 5l6-3 6 3v6l-6 3-6-3zM2 5l6 3 6-3M8 8v6",
  image: "M2.5 6L8 3l5.5 3L8 9zM2.5 10L8 13l5.5-3",
  settings: "M2 4.5h7M12 4.5h2M2 11.5h2M7 11.5h7M10.5 3v3M5.5 10v3",
  play: "M5 3.5v9l7-4.5z",
  stop: "M4.5 4.5h7v7h-7z",
  restart: "M13 8a5 5 0 1 1-1.6-3.7M13 2.5v2.8h-2.8",
  trash: "M3 4.5h10M6.5 4.5V3h3v1.5M4.5 4.5l.6 8.5h5.8l.6-8.5",
  copy: "M6 6h7v7H6zM10 6V3H3v7h3",
  check: "M3.5 8.5l3 3 6-7",
  cross: "M4 4l8 8M12 4l-8 8",
  alert: "M8 2.5l6 11H2zM8 6.5v3M8 11.5v.2",
  info: "M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11zM8 7.5v3.5M8 5.2v.2",
  plus: "M8 3.5v9M3.5 8h9",
  pause: "M5.5 4v8M10.5 4v8",
  circle: "M8 4.5a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7z",
  download: "M8 2.5v7.5M4.5 7L8 10.5 11.5 7M3 13.5h10",
} as const;

export type IconName = keyof typeof paths;
