/*
 * The main function of a fuzz target where there is no libFuzzer: every file of the folders named is an input, once. Ends with
 * "replayed N". What an input finds wrong ends the program.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"

enum { INPUT_MAX = 1 << 20 };

static int replay(const char *path)
{
	uint8_t *input = malloc(INPUT_MAX);
	FILE *file = fopen(path, "rb");
	size_t len;

	if (input == NULL || file == NULL) {
		perror(path);
		exit(1);
	}
	len = fread(input, 1, INPUT_MAX, file);
	fclose(file);
	/* of its own size, so that reading behind it may be noticed */
	input = realloc(input, len > 0 ? len : 1);
	if (input != NULL)
		LLVMFuzzerTestOneInput(input, len);
	free(input);
	return 1;
}

int main(int argc, char **argv)
{
	int count = 0;

	for (int i = 1; i < argc; i++) {
		DIR *folder = opendir(argv[i]);
		char path[4096];

		if (folder == NULL) {
			perror(argv[i]);
			return 1;
		}
		for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
			if (entry->d_name[0] != '.' && snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name) < (int)sizeof path)
				count += replay(path);
		closedir(folder);
	}
	printf("replayed %d\n", count);
	return 0;
}
