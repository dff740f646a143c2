/** The tour of the first start, in English. */
export const tour = {
  label: "Tour",
  offer: "New to containers?",
  offerText: "A tour of five steps shows what they are by making some, right here. Later it is found under Settings.",
  take: "Take the tour",
  notNow: "No, thanks",
  step: (step: number, all: number) => `Step ${step} of ${all}`,
  next: "Next",
  finish: "Finish",
  end: "End the tour",
  noImage: "no image came along",
  help: "Help",
  helpText: "The tour makes two small containers and a volume, and throws one away, to show what is what.",
  steps: {
    image: {
      title: "An image is what a container starts from",
      text: "It is a program with all the files that it needs, and is only ever read. A small one came with Naru; others are found by the box above, and stay in this list until you remove them.",
    },
    container: {
      title: "A container is an image at work",
      text: "It has files, processes and a network of its own, and one image makes as many as you like. The form is filled in already.",
      act: "Run the image",
      done: "It has done its work: its output is beside the list. A program that serves something would go on until you stop it.",
    },
    data: {
      title: "What a container writes goes with it, unless it is in a volume",
      text: "This one writes the time into a file and shows the whole file. The file is in a volume, as the form says under Data.",
      act: "Run it with a volume",
      done: "Its output is what the file has now. The volume is called diary, and is in the list of volumes.",
    },
    away: {
      title: "Containers are there to be thrown away",
      text: "Remove it. The question before says what is lost, and what stays.",
      act: "Throw it away",
      done: "The container is gone with everything in it. The volume is still there.",
    },
    anew: {
      title: "And to be made anew",
      text: "Run the same once more, with the same volume.",
      act: "Run it anew",
      done: "What the container wrote that you threw away is still there, with a new line below: so databases keep their data. What the tour has made, you can remove under Containers and Volumes.",
    },
  },
};
