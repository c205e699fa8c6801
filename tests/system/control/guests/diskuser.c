/* SPDX-License-Identifier: MIT */
/* Uses xvda once for each line of its console, whatever the backend does, and says how it went. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <coracle/block.h>

#define SECTORS 264u /* more than one request of 11 pages carries */

int main(void)
{
    uint8_t *data = malloc(SECTORS * COR_SECTOR);
    char line[80];

    setvbuf(stdout, NULL, _IONBF, 0);
    printf("ready\n");
    while (fgets(line, sizeof(line), stdin)) {
        struct cor_block *disk;
        int error = cor_block_open("xvda", &disk);

        line[strcspn(line, "\r\n")] = 0;
        if (error) {
            printf("%s: open %d.\n", line, error);
            continue;
        }
        error = cor_block_read(disk, 0, data, SECTORS);
        printf("%s: read %d, write %d.\n", line, error, cor_block_write(disk, 0, data, 8));
        cor_block_close(disk);
    }
    return 0;
}
