#include "proxy/edge/shared_bio.h"

#include <openssl/bio.h>
#include <openssl/ssl.h>

static BIO *bio_new(const struct shared_bio *of)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, of->name);
	BIO *b;

	if (m == NULL)
		return NULL;
	BIO_meth_set_read(m, of->read);
	BIO_meth_set_write(m, of->write);
	BIO_meth_set_ctrl(m, of->control);
	b = BIO_new(m);
	if (b == NULL)
		BIO_meth_free(m);
	else
		BIO_set_init(b, 1);
	return b;
}

int shared_bio_use(struct shared_bio *b, SSL *ssl)
{
	if (b->bio == NULL)
		b->bio = bio_new(b);
	if (b->bio == NULL || BIO_up_ref(b->bio) != 1)
		return -1;
	SSL_set_bio(ssl, b->bio, b->bio);
	return 0;
}
