/** The anchor of a heading, as git hosts make it, so that a link to it works there and on the site. */
export const slug = (heading: string): string =>
  heading.trim().toLowerCase().replaceAll(/[^\p{L}\p{N}\p{M}\s_-]/gu, "").replaceAll(/\s/g, "-")
